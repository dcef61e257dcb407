raise RuntimeError("the weights\nare nowhere to be found")
