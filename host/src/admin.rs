//! I answer health, metrics and drain on a private port.
