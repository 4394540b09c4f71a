"""One trial: it trains a configuration on a task slice by slice, pauses, resumes, alone or in a cohort."""
