//! Tests of the tables of metrics, and of their text, which is read by a parser that accepts nothing but OpenMetrics.

mod exposition;
mod parser;
mod seam;
