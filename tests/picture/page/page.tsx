// Draws a dashboard with Grafana's own components, of the same version, from its committed JSON and given answers.

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import { createTheme, dateTime, type GrafanaTheme2, ThemeContext } from '@grafana/data';
import { BigValue, BigValueColorMode, BigValueGraphMode, TimeSeries } from '@grafana/ui';
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import { Bands, Bars, Dial } from './drawn';
import { frameOf, lastOf, type Panel, type Series } from './fields';

interface Given {
  dashboard: { title: string; description: string; panels: any[] };
  answers: Record<string, Series[]>;
  from: number;
  to: number;
  shown: string;
  window: string;
}

const WIDTH = 1600;
const [CELL, ROW, GAP] = [WIDTH / 24, 34, 8];

function Body({ panel, series, given, theme, width, height }: {
  panel: Panel; series: Series[]; given: Given; theme: GrafanaTheme2; width: number; height: number;
}) {
  const frames = series.map((one, index) => frameOf(panel, one, index, theme));
  const drawn = { panel, frames, theme, width, height };
  const range = { from: dateTime(given.from), to: dateTime(given.to), raw: { from: dateTime(given.from), to: dateTime(given.to) } };
  if (frames.length === 0) {
    return <div style={{ textAlign: 'center', paddingTop: height / 2 - 20 }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
  }
  if (panel.type === 'timeseries') {
    return (
      <TimeSeries frames={frames} structureRev={1} timeRange={range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} />
    );
  }
  if (panel.type === 'gauge') return <Dial {...drawn} />;
  if (panel.type === 'barchart') return <Bars {...drawn} />;
  if (panel.type === 'state-timeline') return <Bands {...drawn} from={given.from} to={given.to} />;
  const each = { width: width, height: (height - 8 * (frames.length - 1)) / Math.max(1, frames.length) };
  return (
    <div style={{ display: 'flex', flexDirection: 'column', gap: 8 }}>
      {frames.map((frame) => {
        const field = frame.fields[1];
        const shown = field.display!(lastOf(frame));
        const past = frame.length > 1 ? { y: field, x: frame.fields[0] } : undefined;
        return (
          <BigValue
            key={frame.name}
            value={{ ...shown, title: frames.length > 1 ? frame.name : undefined }}
            sparkline={past as any}
            width={each.width}
            height={each.height}
            colorMode={BigValueColorMode.Value}
            graphMode={past ? BigValueGraphMode.Area : BigValueGraphMode.None}
            theme={theme}
          />
        );
      })}
    </div>
  );
}

function Page({ given, theme }: { given: Given; theme: GrafanaTheme2 }) {
  const panels = given.dashboard.panels;
  const bottom = Math.max(...panels.map((panel) => (panel.gridPos.y + panel.gridPos.h) * ROW));
  const ground = theme.colors.background;
  const box = { position: 'absolute' as const, background: ground.primary, border: `1px solid ${theme.colors.border.weak}`, borderRadius: 4 };
  const chip = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 3, padding: '5px 10px', background: ground.primary };
  return (
    <div style={{ width: WIDTH + 2 * GAP, background: ground.canvas, color: theme.colors.text.primary, padding: GAP, fontFamily: 'Inter, sans-serif' }}>
      <div style={{ display: 'flex', alignItems: 'center', gap: 10, padding: '6px 4px 14px', fontSize: 13 }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{given.dashboard.title}</span>
        <span style={{ flex: 1, color: theme.colors.text.secondary }}>{given.dashboard.description}</span>
        <span style={chip}>Instance: All</span>
        <span style={chip}>Window: {given.window}</span>
        <span style={chip}>{given.shown}</span>
      </div>
      <div style={{ position: 'relative', height: bottom }}>
        {panels.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { left: x * CELL, top: y * ROW, width: w * CELL - GAP, height: h * ROW - GAP };
          if (panel.type === 'row') {
            return <div key={panel.id} style={{ position: 'absolute', ...place, fontSize: 15, fontWeight: 500, paddingTop: 4 }}>⌄ {panel.title}</div>;
          }
          return (
            <div key={panel.id} style={{ ...box, ...place }}>
              <div style={{ height: 32, padding: '7px 10px', fontSize: 14, fontWeight: 500 }}>{panel.title}</div>
              <div style={{ padding: '0 8px', height: place.height - 42 }}>
                <Body panel={panel} series={given.answers[panel.id] ?? []} given={given} theme={theme} width={place.width - 18} height={place.height - 44} />
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}

const given: Given = JSON.parse(document.getElementById('given')!.textContent!);
const theme = createTheme({ colors: { mode: 'dark' } });
createRoot(document.getElementById('page')!).render(
  <ThemeContext.Provider value={theme}>
    <Page given={given} theme={theme} />
  </ThemeContext.Provider>
);
