//! What makes a function of the configuration's file differ from one that the API has made: it is changed in that file only.

use std::path::PathBuf;

use crate::aws::error::ApiError;

/// Where a function is defined, and what it is.
pub struct FileDefinition {
    pub file: PathBuf,
    /// In words: `a function`, `an HTTP service`.
    pub kind: String,
    /// Whether it takes events.
    pub callable: bool,
}

impl FileDefinition {
    /// The answer to whoever wants to change the function, or to make one of its name.
    pub fn unchangeable(&self, name: &str) -> ApiError {
        let file = self.file.display();
        ApiError::conflict(format!("The function {name} is defined in the file {file}. Change it there: the API only shows it."))
    }

    /// Whether events can be sent to it.
    pub fn require_callable(&self, name: &str) -> Result<(), ApiError> {
        if self.callable {
            return Ok(());
        }
        let FileDefinition { file, kind, .. } = self;
        Err(ApiError::invalid_parameter(format!(
            "The function {name} of the file {} is {kind}, which takes requests of sites and no events: it cannot be invoked.",
            file.display()
        )))
    }
}
