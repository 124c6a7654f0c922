//! Questions to the real solver. It must be installed: a proof that is left out is no proof.

mod differences;
mod matrix;
mod properties;
mod world;
