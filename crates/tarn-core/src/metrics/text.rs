//! The text that Prometheus reads (its "text-based format", version 0.0.4): for each metric its help, its type, and a
//! line for each combination of labels.

use std::fmt::{Display, Write as _};

use tarn_base::counter::{BOUNDS, Histogram};

/// The text, as it grows.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    /// A number that grows. `samples`: labels, as they stand between the braces, and values.
    pub(super) fn counter<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.family(name, "counter", help);
        for (labels, value) in samples {
            self.sample(name, labels.as_ref(), value);
        }
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// Times, in classes.
    pub(super) fn histogram<'h>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, &'h Histogram)>,
    ) {
        self.family(name, "histogram", help);
        for (labels, histogram) in samples {
            let mut until = 0;
            let ends = BOUNDS.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
            for (count, end) in histogram.classes().zip(ends) {
                until += count;
                self.sample(
                    &format!("{name}_bucket"),
                    &format!("{labels},le=\"{end}\""),
                    until,
                );
            }
            self.sample(&format!("{name}_sum"), &labels, histogram.seconds());
            self.sample(&format!("{name}_count"), &labels, until);
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}
