"""A control: people who are kept out of learning, so that attacks on a replica have somebody to compare with."""
