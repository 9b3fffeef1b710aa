"""Speed and memory of recording, measured against the bare forward pass in the same run."""
