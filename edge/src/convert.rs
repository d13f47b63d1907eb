//! Between the gateway's types and those of the host's bindings.

use skerry_host::types as wit;

skerry_gateway::conversions!();
