//! What a function is attached to: the subnets and security groups of `VpcConfig`, which the configuration file defines.

use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::Configuration;
use crate::network::{AttachError, Attachment, Vpcs};

/// The routes and rules of a function; `None` if it is attached to nothing.
pub fn attachment(vpcs: &Vpcs, configuration: &Configuration) -> Result<Option<Attachment>, AttachError> {
    match &configuration.vpc {
        Some(vpc) if !vpc.subnets.is_empty() || !vpc.security_groups.is_empty() => {
            vpcs.attach(&vpc.subnets, &vpc.security_groups, vpc.ipv6).map(Some)
        }
        _ => Ok(None),
    }
}

/// Notes the VPC of the subnets that a function is to be attached to.
pub fn attach(vpcs: &Vpcs, configuration: &mut Configuration) -> Result<(), ApiError> {
    let attachment = attachment(vpcs, configuration).map_err(|error| {
        let (call, code) = match error {
            AttachError::Subnet(_) => ("DescribeSubnets", "InvalidSubnetID.NotFound"),
            AttachError::SecurityGroup(_) => ("DescribeSecurityGroups", "InvalidGroup.NotFound"),
            AttachError::SubnetElsewhere(..) | AttachError::SecurityGroupElsewhere(..) => {
                return ApiError::invalid_parameter(format!("{error}."));
            }
        };
        let message = format!("Error occurred while {call}. EC2 Error Code: {code}. EC2 Error Message: {error}");
        ApiError::invalid_parameter(message)
    })?;
    if let (Some(vpc), Some(attachment)) = (&mut configuration.vpc, attachment) {
        vpc.id = attachment.vpc_id;
    }
    Ok(())
}

/// Refuses a call of a function whose subnets or security groups have gone from the configuration.
pub fn require(vpcs: &Vpcs, configuration: &Configuration) -> Result<(), ApiError> {
    let Err(error) = attachment(vpcs, configuration) else { return Ok(()) };
    let code = match error {
        AttachError::Subnet(_) | AttachError::SubnetElsewhere(..) => "InvalidSubnetIDException",
        AttachError::SecurityGroup(_) | AttachError::SecurityGroupElsewhere(..) => "InvalidSecurityGroupIDException",
    };
    Err(ApiError::not_runnable(code, format!("Lambda was not able to set up VPC access for the Lambda function: {error}")))
}
