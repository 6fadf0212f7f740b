//! Archives, their catalogue, and the stores that hold them.

pub mod archive;
pub mod bolt;
pub mod catalogue;
pub mod choice;
pub mod contract;
pub mod database;
pub mod lineage;
mod pipe;
pub mod store;
