//! Metrics in a function's log, in CloudWatch's embedded metric format, as Powertools writes them.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::limits::lambda::{EMF_DIMENSIONS, EMF_METRICS};
use crate::telemetry::EmfSample;

#[derive(Deserialize)]
struct EmbeddedMetrics {
    #[serde(rename = "_aws")]
    directives: EmfDirectives,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EmfDirectives {
    cloud_watch_metrics: Vec<EmfDirective>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EmfDirective {
    namespace: String,
    #[serde(default)]
    dimensions: Vec<Vec<String>>,
    metrics: Vec<EmfDefinition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EmfDefinition {
    name: String,
    #[serde(default)]
    unit: Option<String>,
}

/// The metrics of a log, line by line. What is not in the format is no metric.
pub fn samples(log: &str) -> Vec<EmfSample> {
    let lines = log.lines().filter(|line| line.starts_with('{') && line.contains("\"CloudWatchMetrics\""));
    lines.filter_map(|line| serde_json::from_str(line).ok()).flat_map(of).collect()
}

fn of(embedded: EmbeddedMetrics) -> Vec<EmfSample> {
    let EmbeddedMetrics { directives, members } = embedded;
    let mut samples = Vec::new();
    for directive in directives.cloud_watch_metrics {
        // Without dimensions there is one series.
        let sets = if directive.dimensions.is_empty() { vec![Vec::new()] } else { directive.dimensions };
        for definition in directive.metrics.iter().take(EMF_METRICS) {
            let values: Vec<f64> = match members.get(&definition.name) {
                Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
                Some(value) => value.as_f64().into_iter().collect(),
                None => continue,
            };
            for set in &sets {
                let text = |name: &String| {
                    members.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                };
                let mut dimensions: Vec<String> =
                    (set.iter().take(EMF_DIMENSIONS)).filter_map(|name| Some(format!("{name}={}", text(name)?))).collect();
                dimensions.sort();
                samples.push(EmfSample {
                    namespace: directive.namespace.clone(),
                    metric: definition.name.clone(),
                    unit: definition.unit.clone().unwrap_or_else(|| "None".to_owned()),
                    dimensions: dimensions.join(","),
                    sum: values.iter().sum(),
                    count: values.len() as u64,
                });
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_as_powertools_writes_them() {
        let line = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"shop","Dimensions":[["service","stage"]],"Metrics":[{"Name":"Orders","Unit":"Count"},{"Name":"Lost"}]}]},"service":"pay","stage":"test","Orders":[1.0,2.0],"other":5}"#;
        let log = format!("START RequestId: x\nplain\n{{\"level\":\"INFO\"}}\n{line}\nEND\n");
        let samples = samples(&log);
        let [one] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!((one.namespace.as_str(), one.metric.as_str(), one.unit.as_str()), ("shop", "Orders", "Count"));
        assert_eq!((one.dimensions.as_str(), one.sum, one.count), ("service=pay,stage=test", 3.0, 2));
        assert!(super::samples("{\"_aws\":{\"CloudWatchMetrics\":7}}").is_empty());
    }
}
