import { AnnotationQuery, Dashboard } from '@grafana/schema';
import { Options as TimeseriesOptions, FieldConfig as TimeseriesCustom } from './node_modules/@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import { Options as StatOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import { Options as GaugeOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import { Options as BarGaugeOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import { Options as BarChartOptions, FieldConfig as BarChartCustom } from './node_modules/@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import { Options as HeatmapOptions, FieldConfig as HeatmapCustom } from './node_modules/@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import { Options as StateTimelineOptions, FieldConfig as StateTimelineCustom } from './node_modules/@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';

export interface Doradura {
  dashboard: Dashboard;
  annotation: AnnotationQuery;
  options: {
    timeseries: Partial<TimeseriesOptions>;
    stat: Partial<StatOptions>;
    gauge: Partial<GaugeOptions>;
    bargauge: Partial<BarGaugeOptions>;
    barchart: Partial<BarChartOptions>;
    heatmap: Partial<HeatmapOptions>;
    'state-timeline': Partial<StateTimelineOptions>;
  };
  custom: {
    timeseries: Partial<TimeseriesCustom>;
    barchart: Partial<BarChartCustom>;
    heatmap: Partial<HeatmapCustom>;
    'state-timeline': Partial<StateTimelineCustom>;
  };
}
