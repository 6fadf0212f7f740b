//! SWIM gossip: a pure engine around foca, and its UDP and TCP shell.
