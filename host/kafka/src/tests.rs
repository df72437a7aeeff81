//! Tests against the embedded cluster.
