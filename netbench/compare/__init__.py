"""From records to a judgement: statistics, comparison, verdict. Offline."""
