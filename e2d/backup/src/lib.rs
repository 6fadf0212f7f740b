//! Archives, their catalogue, and the stores that hold them.
