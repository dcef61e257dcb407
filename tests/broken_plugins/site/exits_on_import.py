raise SystemExit("good bye")
