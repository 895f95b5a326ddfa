//! AWS's managed policies that scripts attach to the roles of functions and to those who deploy them.
//!
//! The documents are AWS's of early 2026. `ReadOnlyAccess` is shortened to the services that functions are made of: AWS's has
//! some 80,000 characters. All others have AWS's statements, with the version that AWS gives them.

/// A policy that is there without having been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// `arn:aws:iam::aws:policy/…`.
    pub arn: &'static str,
    pub name: &'static str,
    /// The version that holds, such as `v1`.
    pub version_id: &'static str,
    /// An identity's policy.
    pub document: &'static str,
}

impl ManagedPolicy {
    /// `None` for an ARN that is not in the list.
    pub fn by_arn(arn: &str) -> Option<&'static ManagedPolicy> {
        MANAGED.iter().find(|policy| policy.arn == arn)
    }

    /// The part of the ARN before the name: `/` or `/service-role/`.
    pub fn path(&self) -> &'static str {
        let path = self.arn.trim_start_matches("arn:aws:iam::aws:policy");
        &path[..path.len() - self.name.len()]
    }
}

macro_rules! managed {
    ($path:literal, $name:literal, $version:literal) => {
        ManagedPolicy {
            arn: concat!("arn:aws:iam::aws:policy/", $path, $name),
            name: $name,
            version_id: $version,
            document: include_str!(concat!("managed/", $name, ".json")),
        }
    };
}

/// The list, in no order that matters.
pub const MANAGED: &[ManagedPolicy] = &[
    managed!("service-role/", "AWSLambdaBasicExecutionRole", "v1"),
    managed!("service-role/", "AWSLambdaVPCAccessExecutionRole", "v3"),
    managed!("service-role/", "AWSLambdaENIManagementAccess", "v2"),
    managed!("service-role/", "AWSLambdaSQSQueueExecutionRole", "v1"),
    managed!("service-role/", "AWSLambdaKinesisExecutionRole", "v2"),
    managed!("service-role/", "AWSLambdaDynamoDBExecutionRole", "v1"),
    managed!("service-role/", "AWSLambdaRole", "v1"),
    managed!("", "AWSLambdaExecute", "v1"),
    managed!("", "AWSLambda_FullAccess", "v7"),
    managed!("", "AWSLambda_ReadOnlyAccess", "v5"),
    managed!("", "CloudWatchLambdaInsightsExecutionRolePolicy", "v1"),
    managed!("", "AWSXRayDaemonWriteAccess", "v2"),
    managed!("", "CloudWatchLogsFullAccess", "v8"),
    managed!("", "AmazonS3FullAccess", "v2"),
    managed!("", "AmazonS3ReadOnlyAccess", "v3"),
    managed!("", "AmazonSQSFullAccess", "v1"),
    managed!("", "AmazonSQSReadOnlyAccess", "v4"),
    managed!("", "SecretsManagerReadWrite", "v6"),
    managed!("", "AmazonSSMReadOnlyAccess", "v1"),
    managed!("", "AmazonSSMFullAccess", "v4"),
    managed!("", "IAMFullAccess", "v2"),
    managed!("", "IAMReadOnlyAccess", "v4"),
    managed!("", "AdministratorAccess", "v1"),
    managed!("", "PowerUserAccess", "v12"),
    managed!("", "ReadOnlyAccess", "v182"),
];
