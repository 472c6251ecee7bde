//! What is promised of quotas.
