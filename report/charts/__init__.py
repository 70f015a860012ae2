"""The charts of a report: Vega-Lite specifications as plain data, with the tables behind them."""
