//! The console: pages for people over the calls of the admin API. What a page shows is what a call answered to whoever is logged in; there is no other
//! way to the data here, and nobody else is asked who may see it. Only the charts of the hour before are of metrics that were read as time passed, which
//! anybody at the address may see.

mod acts;
mod causes;
mod change;
mod console;
mod faults;
mod fetch;
mod history;
mod invitations;
mod login;
mod page;
mod pages;
mod place;
mod reply;
mod sessions;
mod shown;
mod state;
mod style;
mod table;
mod visit;
mod words;
mod zone;

pub use state::{Console, Gate};
