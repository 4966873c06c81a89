"""Organisation seals as a service: profiles and keys of tenants, bounded work on documents, jobs."""
