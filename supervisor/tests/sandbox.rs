//! x
mod world;
