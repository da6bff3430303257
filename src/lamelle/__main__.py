from lamelle.cli.main import main

main()
