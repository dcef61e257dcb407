"""Pictures: decoded from any file, cropped, laid out on sheets, plotted, and kept with what made them."""
