import requests

print("This is main!")
print("Requests version:", requests.__version__)
