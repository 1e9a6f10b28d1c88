//! The promises, one file for what belongs together.

mod delivery;
mod durability;
mod groups;
mod rights;
mod survival;
