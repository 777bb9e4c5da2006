//! stand-in
#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub from: f64,
    pub to: f64,
}
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    pub seconds: f64,
    pub connections: u64,
    pub server_user_bytes: u64,
    pub client_user_bytes: Option<u64>,
    pub kernel_bytes: Option<i64>,
    pub server_cores: f64,
    pub client_cores: Option<f64>,
    pub machine_cores: f64,
}
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Timeline {
    pub title: String,
    pub phases: Vec<Phase>,
    pub samples: Vec<Sample>,
}
