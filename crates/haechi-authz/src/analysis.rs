//! What the rules of a configuration come to for every caller and request at once: proofs, counterexamples and differences.
//!
//! Per route, clauses and policies become one Cedar condition over a flat record of facts ([`field`]). Roles are facts of the caller there and
//! not entities in a hierarchy, so a hierarchy that the configuration does not have cannot appear. A condition that errs holds for nobody, as in
//! the engine. The solver is asked whether facts exist for which one condition holds and another does not; what it finds is made small, and
//! counts only when Cedar itself says the same of it.

mod access;
mod agree;
mod condition;
mod diff;
mod example;
mod field;
mod finding;
mod matrix;
mod meaning;
mod methods;
mod model;
mod prove;
mod residual;
mod rewrite;
mod shape;
mod solver;
mod space;

pub use access::{CallerOrigin, PossibleValues, RouteAccess, RouteMatcher, Side};
pub use agree::Form;
pub use diff::{Change, Relation, RouteDiff, compare};
pub use example::Example;
pub use finding::Finding;
pub use matrix::{Cell, cell};
pub use prove::{Demand, Group, Proof, Property, PropertyScope, prove};
pub use rewrite::UnsupportedError;
pub use solver::{NoSolver, Solver};

#[cfg(test)]
mod tests;
