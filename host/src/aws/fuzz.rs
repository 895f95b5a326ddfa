//! For fuzz targets: what strangers send to the APIs. Each check is in the room that makes the promise.

pub(crate) use crate::aws::dynamodb::fuzz::table_expression;
pub(crate) use crate::aws::lambda::fuzz::lambda;
pub(crate) use crate::aws::logs::fuzz::log_filter;
pub(crate) use crate::aws::policy::fuzz::policy;
pub(crate) use crate::aws::sigv4::fuzz::sigv4;
