//! Tests of the tables of metrics and of their text. A strict OpenMetrics parser reads the text.

mod exposition;
mod parser;
mod seam;
