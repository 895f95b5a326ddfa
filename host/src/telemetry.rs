//! I own every metric name, span and log field.
