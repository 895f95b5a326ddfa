//! The next event of a line, whatever it takes to read it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::lambda::registry::Registry;
use crate::events::queue::{EventClaim, EventLine};
use crate::limits::events::READ_AGAIN_MS;

/// The next event of a line; nothing when nothing waits any more.
pub async fn claimed<H: Serialize + DeserializeOwned>(registry: &Registry, line: &Arc<EventLine>) -> Option<EventClaim<H>> {
    loop {
        match registry.events.claim(line).await {
            Ok(Some(claim)) => return Some(claim),
            Ok(None) if registry.events.leave(line) => return None,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(line = line.name(), "events cannot be read; they are read again in a while: {error}");
                tokio::time::sleep(Duration::from_millis(READ_AGAIN_MS)).await;
            }
        }
    }
}
