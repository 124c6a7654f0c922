//! Passwords: what may be one, how it is hashed, and the bounded pool on which that is done.

mod common;
mod htpasswd;
mod policy;
mod pool;
mod stored;

pub use htpasswd::{Htpasswd, HtpasswdFault, HtpasswdFaults, LineFault};
pub use policy::{
    MAX_CHARACTERS, MIN_CHARACTERS, MIN_CHARACTERS_BESIDE_FACTOR, PasswordFault, check_new_password,
    check_new_password_beside_factor, is_short,
};
pub use pool::{DEFAULT_QUEUE, ExpectedHash, HashingError, PasswordPool};
pub use stored::{StoredHash, UnusableHash, WeakHash};
