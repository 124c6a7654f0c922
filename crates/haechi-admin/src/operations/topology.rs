//! `/api/v1/routes` and `/api/v1/services`: what is routed where, how endpoints are, and taking one out by hand.

use crate::answer::{Page, Shown, limit};
use crate::call::{Asked, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::shape;
use crate::topology::{EndpointView, RouteView, ServiceView};

shape! {
    /// Which one.
    pub(crate) NamePath {
        /// Its name in the configuration.
        required name: String,
    }

    /// Which endpoint.
    pub(crate) EndpointPath {
        /// The service's name.
        required name: String,
        /// Host and port, as the service shows it: `127.0.0.1:7001`.
        required id: String,
    }

    /// Which part of a list.
    pub(crate) PageQuery {
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// Whether an endpoint takes new requests.
    pub(crate) EndpointChange {
        /// `true` keeps new requests from it; what is in flight goes on. `false` lets them come again.
        required drained: bool,
    }
}

pub(super) async fn routes(
    reader: Reader,
    asked: Asked<Nothing, PageQuery, Nothing>,
) -> Result<Page<RouteView>, AdminError> {
    page(reader.running()?.topology.routes(), asked.query, |route| &route.name)
}

pub(super) async fn route(
    reader: Reader,
    asked: Asked<NamePath, Nothing, Nothing>,
) -> Result<Shown<RouteView>, AdminError> {
    let found = reader.running()?.topology.routes().into_iter().find(|route| route.name == asked.path.name);
    found.map(Shown).ok_or_else(|| AdminError::Missing(format!("route `{}`", asked.path.name)))
}

pub(super) async fn services(
    reader: Reader,
    asked: Asked<Nothing, PageQuery, Nothing>,
) -> Result<Page<ServiceView>, AdminError> {
    page(reader.running()?.topology.services(), asked.query, |service| &service.name)
}

pub(super) async fn service(
    reader: Reader,
    asked: Asked<NamePath, Nothing, Nothing>,
) -> Result<Shown<ServiceView>, AdminError> {
    named(&reader, &asked.path.name).map(Shown)
}

pub(super) async fn set_endpoint_state(
    change: Change,
    asked: Asked<EndpointPath, Nothing, Json<EndpointChange>>,
) -> Result<Shown<EndpointView>, AdminError> {
    let EndpointPath { name, id } = asked.path;
    let wanted = asked.body.0.drained;
    let missing = || AdminError::Missing(format!("endpoint `{id}` of the service `{name}`"));
    let service = named(&change.look, &name)?;
    let before = service.endpoints.iter().find(|endpoint| endpoint.id == id).ok_or_else(missing)?;
    change.target(format!("endpoint {id} of service {name}")).await;
    change.detail("from", before.drained).await;
    change.detail("to", wanted).await;
    change.record().await?;
    // A reload may have taken it away meanwhile.
    change.look.running()?.topology.drain(&name, &id, wanted).map(Shown).ok_or_else(missing)
}

fn named(reader: &Reader, name: &str) -> Result<ServiceView, AdminError> {
    let found = reader.running()?.topology.services().into_iter().find(|service| service.name == name);
    found.ok_or_else(|| AdminError::Missing(format!("service `{name}`")))
}

/// What comes after the name that the page before ended with; `all` is in the order of names.
fn page<T>(mut all: Vec<T>, query: PageQuery, name: impl Fn(&T) -> &String) -> Result<Page<T>, AdminError> {
    let limit = limit(query.limit)?;
    if let Some(cursor) = query.cursor {
        all.retain(|one| *name(one) > cursor);
    }
    Ok(Page::of(all, limit, |last| name(last).clone()))
}
