//! What a server's processes took, for people.

use std::fmt;

use super::units::{mib, number};
use crate::measure::watch::ServerCosts;

impl fmt::Display for ServerCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (with, without) = (mib(self.user_bytes_with), mib(self.user_bytes_without));
        if let Some(each) = self.user_bytes_per_connection {
            writeln!(
                f,
                "user      {} bytes/connection; {with:.2} MiB in all, {without:.2} MiB of them without connections",
                number(each, 1)
            )?;
        }
        if let Some(kernel) = &self.kernel {
            let each = number(kernel.server_bytes_per_connection, 0);
            writeln!(f, "kernel    {each} bytes/connection in slabs, at the server's end")?;
        }
        let times = [
            (self.cpu_us_per_handshake, "us of processor time a handshake"),
            (self.cpu_us_per_echo, "us of processor time an echo"),
            (self.cpu_us_per_ping, "us of processor time a ping"),
            (self.cpu_cores_held, "cores while connections were held"),
        ];
        for (value, unit) in times {
            let Some(value) = value else { continue };
            writeln!(f, "server    {} {unit}", number(value, if value < 1.0 { 3 } else { 2 }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_told() {
        let costs = ServerCosts { user_bytes_per_connection: Some(64.25), ..ServerCosts::default() };
        let told = "user      64.2 bytes/connection; 0.00 MiB in all, 0.00 MiB of them without connections\n";
        assert_eq!(costs.to_string(), told);
    }
}
