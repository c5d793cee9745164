"""What `biot` reaches on thirteen public sets, beside a ridge and two nets."""
