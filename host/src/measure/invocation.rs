//! One call of a function that is measured.

use std::time::SystemTime;

use bytes::Bytes;

use crate::function::call::{Invocation, InvokeContext};
use crate::function::revision::Revision;
use crate::loops::LoopMarks;

pub(super) fn invocation(revision: &Revision, event: Bytes) -> Invocation {
    let context = InvokeContext::local(revision.name(), "bench".to_owned(), revision.limits(), SystemTime::now());
    Invocation { event, context, stream: None, passed: LoopMarks::default() }
}
