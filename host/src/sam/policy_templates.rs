//! SAM's policy templates, of services that are here or that scripts name anyway.
//!
//! Source: "AWS SAM policy templates" in the SAM developer guide. In a resource, `@` stands for region and account, and
//! `{Name}` for a parameter.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::Account;

pub(super) struct PolicyTemplate {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [&'static str],
    /// Actions and resources.
    statements: &'static [(&'static [&'static str], &'static [&'static str])],
}

macro_rules! template {
    ($name:literal, [$($parameter:literal),*], $([$($action:literal),+] on [$($resource:literal),+]),+) => {
        PolicyTemplate { name: $name, parameters: &[$($parameter),*], statements: &[$((&[$($action),+], &[$($resource),+])),+] }
    };
}

pub(super) const TEMPLATES: &[PolicyTemplate] = &[
    template!("AWSSecretsManagerGetSecretValuePolicy", ["SecretArn"], ["secretsmanager:GetSecretValue"] on ["{SecretArn}"]),
    template!("CloudWatchPutMetricPolicy", [], ["cloudwatch:PutMetricData"] on ["*"]),
    template!("DynamoDBCrudPolicy", ["TableName"],
        ["dynamodb:GetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:Query", "dynamodb:UpdateItem",
         "dynamodb:BatchWriteItem", "dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:ConditionCheckItem"]
        on ["arn:aws:dynamodb:@:table/{TableName}", "arn:aws:dynamodb:@:table/{TableName}/index/*"]),
    template!("DynamoDBReadPolicy", ["TableName"],
        ["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:DescribeTable"]
        on ["arn:aws:dynamodb:@:table/{TableName}", "arn:aws:dynamodb:@:table/{TableName}/index/*"]),
    template!("DynamoDBWritePolicy", ["TableName"], ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"]
        on ["arn:aws:dynamodb:@:table/{TableName}", "arn:aws:dynamodb:@:table/{TableName}/index/*"]),
    template!("DynamoDBReconfigurePolicy", ["TableName"], ["dynamodb:UpdateTable"] on ["arn:aws:dynamodb:@:table/{TableName}"]),
    template!("DynamoDBStreamReadPolicy", ["TableName", "StreamName"],
        ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        on ["arn:aws:dynamodb:@:table/{TableName}/stream/{StreamName}"],
        ["dynamodb:ListStreams"] on ["arn:aws:dynamodb:@:table/{TableName}/stream/*"]),
    template!("EventBridgePutEventsPolicy", ["EventBusName"], ["events:PutEvents"] on ["arn:aws:events:@:event-bus/{EventBusName}"]),
    template!("FilterLogEventsPolicy", ["LogGroupName"], ["logs:FilterLogEvents"]
        on ["arn:aws:logs:@:log-group:{LogGroupName}:log-stream:*"]),
    template!("KMSDecryptPolicy", ["KeyId"], ["kms:Decrypt"] on ["arn:aws:kms:@:key/{KeyId}"]),
    template!("KMSEncryptPolicy", ["KeyId"], ["kms:Encrypt"] on ["arn:aws:kms:@:key/{KeyId}"]),
    template!("KinesisStreamReadPolicy", ["StreamName"],
        ["kinesis:ListStreams", "kinesis:DescribeLimits"] on ["arn:aws:kinesis:@:stream/*"],
        ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator"]
        on ["arn:aws:kinesis:@:stream/{StreamName}"]),
    template!("LambdaInvokePolicy", ["FunctionName"], ["lambda:InvokeFunction"] on ["arn:aws:lambda:@:function:{FunctionName}*"]),
    template!("S3ReadPolicy", ["BucketName"],
        ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:GetObjectVersion", "s3:GetLifecycleConfiguration"]
        on ["arn:aws:s3:::{BucketName}", "arn:aws:s3:::{BucketName}/*"]),
    template!("S3WritePolicy", ["BucketName"], ["s3:PutObject", "s3:PutObjectAcl", "s3:PutLifecycleConfiguration"]
        on ["arn:aws:s3:::{BucketName}", "arn:aws:s3:::{BucketName}/*"]),
    template!("S3CrudPolicy", ["BucketName"],
        ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectAcl",
         "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:DeleteObject"]
        on ["arn:aws:s3:::{BucketName}", "arn:aws:s3:::{BucketName}/*"]),
    template!("SNSPublishMessagePolicy", ["TopicName"], ["sns:Publish"] on ["arn:aws:sns:@:{TopicName}"]),
    template!("SNSCrudPolicy", ["TopicName"],
        ["sns:ListSubscriptionsByTopic", "sns:CreateTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Publish"]
        on ["arn:aws:sns:@:{TopicName}*"]),
    template!("SQSPollerPolicy", ["QueueName"],
        ["sqs:ChangeMessageVisibility", "sqs:ChangeMessageVisibilityBatch", "sqs:DeleteMessage", "sqs:DeleteMessageBatch",
         "sqs:GetQueueAttributes", "sqs:ReceiveMessage"] on ["arn:aws:sqs:@:{QueueName}"]),
    template!("SQSSendMessagePolicy", ["QueueName"], ["sqs:SendMessage*"] on ["arn:aws:sqs:@:{QueueName}"]),
    template!("SSMParameterReadPolicy", ["ParameterName"], ["ssm:DescribeParameters"] on ["*"],
        ["ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"] on ["arn:aws:ssm:@:parameter/{ParameterName}"]),
    template!("SSMParameterWithSlashPrefixReadPolicy", ["ParameterName"], ["ssm:DescribeParameters"] on ["*"],
        ["ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"] on ["arn:aws:ssm:@:parameter{ParameterName}"]),
    template!("StepFunctionsExecutionPolicy", ["StateMachineName"], ["states:StartExecution"]
        on ["arn:aws:states:@:stateMachine:{StateMachineName}"]),
    template!("VPCAccessPolicy", [],
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DetachNetworkInterface"]
        on ["*"]),
];

impl PolicyTemplate {
    /// The document, with the parameters' values put in.
    pub(super) fn document(&self, values: &BTreeMap<String, String>, account: &Account) -> Value {
        let resource = |resource: &&str| {
            // Region and account first: a value may contain the sign.
            let mut text = resource.replace(":@:", &format!(":{}:{}:", account.region, account.id));
            for parameter in self.parameters {
                text = text.replace(&format!("{{{parameter}}}"), values.get(*parameter).map_or("", String::as_str));
            }
            text
        };
        let statement = |(actions, resources): &(&[&str], &[&str])| {
            let resources: Vec<String> = resources.iter().map(resource).collect();
            json!({"Effect": "Allow", "Action": actions, "Resource": resources})
        };
        json!({"Version": "2012-10-17", "Statement": self.statements.iter().map(statement).collect::<Vec<Value>>()})
    }
}
