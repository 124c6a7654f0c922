//! `/api/v1/explain`, `/matrix`, `/who-can`, `/issuers` and `/certificates`: what the configuration in force lets through, and what it stands on.

use crate::answer::{Page, Shown};
use crate::call::{Asked, Json, Nothing};
use crate::change::Reader;
use crate::error::AdminError;
use crate::inspection::{
    CellQuery, CertificateView, IssuerView, MatrixQuery, MatrixView, Question, WhoCanQuery, WhoCanView,
};
use serde_json::Value;

pub(super) async fn explain(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Json<Question>>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.explain(asked.body.0).await?))
}

pub(super) async fn matrix(
    reader: Reader,
    asked: Asked<Nothing, MatrixQuery, Nothing>,
) -> Result<Shown<MatrixView>, AdminError> {
    let routes = asked.query.route.into_iter().collect();
    Ok(Shown(reader.running()?.inspection.matrix(routes).await?))
}

pub(super) async fn cell(
    reader: Reader,
    asked: Asked<Nothing, CellQuery, Nothing>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.cell(asked.query).await?))
}

pub(super) async fn who_can(
    reader: Reader,
    asked: Asked<Nothing, WhoCanQuery, Nothing>,
) -> Result<Shown<WhoCanView>, AdminError> {
    Ok(Shown(reader.running()?.inspection.who_can(asked.query).await?))
}

pub(super) async fn issuers(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Page<IssuerView>, AdminError> {
    Ok(Page { items: reader.running()?.inspection.issuers(), next: None })
}

pub(super) async fn certificates(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Page<CertificateView>, AdminError> {
    Ok(Page { items: reader.running()?.inspection.certificates(), next: None })
}
