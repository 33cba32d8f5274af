// The kinds of panel that Grafana's published components lack: a gauge, bars, and bands of states. Plain SVG.

import { type DataFrame, type GrafanaTheme2, formattedValueToString } from '@grafana/data';
import * as React from 'react';
import { lastOf, type Panel } from './fields';

interface Drawn {
  panel: Panel;
  frames: DataFrame[];
  theme: GrafanaTheme2;
  width: number;
  height: number;
}

const START = Math.PI * 1.2;
const END = -Math.PI * 0.2;

function arc(x: number, y: number, radius: number, from: number, to: number): string {
  const at = (angle: number) => `${x + radius * Math.cos(angle)} ${y - radius * Math.sin(angle)}`;
  return `M ${at(from)} A ${radius} ${radius} 0 ${from - to > Math.PI ? 1 : 0} 1 ${at(to)}`;
}

export function Dial({ panel, frames, theme, width, height }: Drawn) {
  const { min, max, thresholds } = panel.fieldConfig.defaults;
  const value = frames.length ? lastOf(frames[0]) : null;
  const shown = value === null ? null : frames[0].fields[1].display!(value);
  const radius = Math.min(width / 2, height / 1.55) - 14;
  const [x, y] = [width / 2, radius + 14 + Math.max(0, (height - radius * 1.75) / 2 - 8)];
  const angle = (number: number) => START + (END - START) * Math.min(1, Math.max(0, (number - min) / (max - min)));
  const steps = thresholds.steps;
  return (
    <svg width={width} height={height}>
      <path d={arc(x, y, radius - 14, START, END)} stroke={theme.colors.background.secondary} strokeWidth={26} fill="none" />
      {value !== null && (
        <path d={arc(x, y, radius - 14, START, angle(value))} stroke={shown!.color} strokeWidth={26} fill="none" />
      )}
      {steps.map((step: any, index: number) => {
        const from = angle(index ? step.value : min);
        const to = angle(index + 1 < steps.length ? steps[index + 1].value : max);
        return <path key={index} d={arc(x, y, radius + 5, from, to)} stroke={step.color} strokeWidth={5} fill="none" />;
      })}
      <text x={x} y={y + 8} textAnchor="middle" fontSize={radius * 0.42} fontWeight={500} fill={shown?.color ?? theme.colors.text.primary}>
        {shown ? formattedValueToString(shown) : panel.fieldConfig.defaults.noValue}
      </text>
    </svg>
  );
}

export function Bars({ frames, theme, width, height }: Drawn) {
  const bars = frames.map((frame) => ({ name: frame.name!, value: lastOf(frame) ?? 0, frame }));
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  const [left, bottom, top] = [44, 28, 14];
  const room = (width - left - 8) / bars.length;
  const tall = height - bottom - top;
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].find((each) => most / each <= 5) ?? most / 4;
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  const grey = theme.colors.text.secondary;
  return (
    <svg width={width} height={height}>
      {ticks.map((tick) => {
        const y = top + tall * (1 - tick / (most * 1.05));
        return (
          <g key={tick}>
            <line x1={left} x2={width - 8} y1={y} y2={y} stroke={theme.colors.border.weak} />
            <text x={left - 8} y={y + 4} textAnchor="end" fontSize={12} fill={grey}>{tick}</text>
          </g>
        );
      })}
      {bars.map(({ name, value, frame }, index) => {
        const tallness = (tall * value) / (most * 1.05);
        const x = left + index * room + room * 0.15;
        const shown = frame.fields[1].display!(Math.round(value));
        return (
          <g key={name}>
            <rect x={x} y={top + tall - tallness} width={room * 0.7} height={tallness} fill={shown.color} fillOpacity={0.85} />
            <text x={x + room * 0.35} y={top + tall - tallness - 5} textAnchor="middle" fontSize={12} fill={theme.colors.text.primary}>
              {formattedValueToString(shown)}
            </text>
            <text x={x + room * 0.35} y={height - 9} textAnchor="middle" fontSize={12} fill={grey}>{name}</text>
          </g>
        );
      })}
    </svg>
  );
}

export function Bands({ panel, frames, theme, width, height, from, to }: Drawn & { from: number; to: number }) {
  const words = panel.fieldConfig.defaults.mappings?.[0]?.options ?? {};
  const [left, bottom] = [64, 24];
  const room = (height - bottom) / Math.max(1, frames.length);
  const x = (when: number) => left + ((width - left - 8) * (when - from)) / (to - from);
  const clock = (when: number) => new Date(when).toISOString().slice(11, 16);
  const marks = Array.from({ length: 5 }, (_, index) => from + ((to - from) * (index + 0.5)) / 5);
  return (
    <svg width={width} height={height}>
      {frames.map((frame, row) => {
        const [times, values] = [frame.fields[0].values, frame.fields[1].values];
        const spans: Array<{ start: number; end: number; value: number }> = [];
        times.forEach((when: number, index: number) => {
          const last = spans[spans.length - 1];
          const value = values[index];
          if (value === null) return;
          if (last && last.value === value) last.end = when;
          else {
            if (last) last.end = when;
            spans.push({ start: when, end: when, value });
          }
        });
        const y = row * room + room * 0.1;
        return (
          <g key={frame.name}>
            <text x={left - 8} y={y + room * 0.4 + 4} textAnchor="end" fontSize={12} fill={theme.colors.text.secondary}>{frame.name}</text>
            {spans.map(({ start, end, value }) => {
              const color = frame.fields[1].display!(value).color;
              const long = x(end) - x(start);
              return (
                <g key={start}>
                  <rect x={x(start)} y={y} width={Math.max(1, long)} height={room * 0.8} fill={color} fillOpacity={0.75} />
                  {long > 40 && (
                    <text x={x(start) + 6} y={y + room * 0.4 + 4} fontSize={12} fill="#fff">{words[String(value)]?.text ?? value}</text>
                  )}
                </g>
              );
            })}
          </g>
        );
      })}
      {marks.map((when) => (
        <text key={when} x={x(when)} y={height - 6} textAnchor="middle" fontSize={12} fill={theme.colors.text.secondary}>{clock(when)}</text>
      ))}
    </svg>
  );
}
