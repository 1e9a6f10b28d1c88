//! Guests who use an account as people do, through the simulator and the gateway, and the lives they have led.

mod guest;
mod life;
mod links;

pub use guest::{Answered, Guest, Plays};
pub use life::{Life, Progress, activity_of, visit};
pub use links::links_of;
