"""Models that come from elsewhere and go elsewhere: published weights, graphs for other programs, the Hub."""
