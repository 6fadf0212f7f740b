//! Authorities and certificates: issue, inspect, load.
