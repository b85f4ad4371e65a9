"""What is counted for Prometheus: plain counts where the work is done, folded only when somebody asks for them."""
