"""Other forms of an exported step than a .tflite: `c_array` for microcontrollers, `onnx` for other runtimes."""
