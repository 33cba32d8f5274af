// The dashboard's JSON and Prometheus's answers, as the data frames that Grafana's own components draw.

import {
  type DataFrame,
  type Field,
  type FieldConfig,
  FieldColorModeId,
  FieldType,
  type GrafanaTheme2,
  getDisplayProcessor,
  type NumericRange,
  ThresholdsMode,
} from '@grafana/data';

export interface Series {
  name: string;
  points: Array<[number, number | null]>;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig: { defaults: any; overrides: any[] };
  options: any;
}

const LINE_DEFAULTS = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
  spanNulls: false,
  insertNulls: false,
  pointSize: 5,
  barAlignment: 0,
  stacking: { mode: 'none', group: 'A' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { legend: false, tooltip: false, viz: false },
};

// The dashboard's field configuration for one series: the defaults, and what is said for its name.
export function configOf(panel: Panel, name: string): FieldConfig {
  const { custom, ...defaults } = panel.fieldConfig.defaults;
  const config: any = {
    color: { mode: FieldColorModeId.PaletteClassic },
    thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] },
    ...JSON.parse(JSON.stringify(defaults)),
    displayName: name,
    custom: { ...LINE_DEFAULTS, ...custom, stacking: { group: 'A', mode: 'none', ...custom?.stacking } },
  };
  config.thresholds.steps[0].value = -Infinity;
  if (panel.type !== 'timeseries' && !defaults.color) {
    config.color = { mode: FieldColorModeId.Thresholds };
  }
  for (const override of panel.fieldConfig.overrides) {
    if (override.matcher.options === name) {
      for (const { id, value } of override.properties) {
        config[id] = value;
      }
    }
  }
  return config;
}

function rangeOf(series: Series): NumericRange {
  const numbers = series.points.map(([, number]) => number).filter((number): number is number => number !== null);
  const [min, max] = numbers.length ? [Math.min(0, ...numbers), Math.max(...numbers)] : [0, 1];
  return { min, max, delta: max - min };
}

export function frameOf(panel: Panel, series: Series, index: number, theme: GrafanaTheme2): DataFrame {
  const time: Field = {
    name: 'Time',
    type: FieldType.time,
    config: {},
    values: series.points.map(([when]) => when),
  };
  const value: Field = {
    name: series.name,
    type: FieldType.number,
    config: configOf(panel, series.name),
    values: series.points.map(([, number]) => number),
    state: { seriesIndex: index, displayName: series.name, range: rangeOf(series) },
  };
  time.display = getDisplayProcessor({ field: time, theme });
  value.display = getDisplayProcessor({ field: value, theme });
  return { name: series.name, length: series.points.length, fields: [time, value] };
}

export function lastOf(frame: DataFrame): number | null {
  return [...frame.fields[1].values].reverse().find((value) => value !== null) ?? null;
}
