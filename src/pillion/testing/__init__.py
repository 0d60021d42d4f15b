"""What tests stand on: fakes of the runtime and the network, and the life of a pod in virtual time."""
