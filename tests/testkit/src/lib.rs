//! What the tests share: namespaces, waiting, log gates, real parts.
