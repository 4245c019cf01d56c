"""How good a separator is: metrics, references and the sets they are measured on."""
