//! Questions to the real solver. It must be installed: a proof that is left out is no proof.

mod differences;
mod properties;
mod world;
